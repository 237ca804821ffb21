"""The instances of the ARCH-COMP category AINNCS, in the boxes and bounds of 2025; one file is one benchmark."""
