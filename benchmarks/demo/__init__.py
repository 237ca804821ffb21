"""Small problems with networks of our own, one for each family of the ARCH-COMP category AINNCS but VCAS.

Plants are those of `benchmarks.arch`, tasks are of the same kind; sets and bounds are chosen so that each is decided in
seconds and without the competition's files.
"""
