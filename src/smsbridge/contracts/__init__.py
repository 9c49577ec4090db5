"""Every seam of the program: what a carrier, a desktop, a store, a network and a job must be. Shapes, no behaviour."""
