"""The suite `arch`: the instances of the ARCH-COMP category AINNCS, verified one after another."""
