"""The control plane: rare calls that connect a real number, give it back, and find out what is wrong.

Nothing here is in the way of a text. It is the one room that imports httpx and the carriers' own SDKs; import it only
in the commands that need it, because the SDK takes a tenth of a second to load.
"""
