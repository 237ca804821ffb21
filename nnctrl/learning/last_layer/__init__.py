"""Last-layer synthesis: convex in the last layer of a network of any depth, in turn with gradient steps below it."""
