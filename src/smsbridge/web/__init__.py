"""The HTTP edge: it accepts, asks the flows, and answers. routes.py has every URL on one page."""
