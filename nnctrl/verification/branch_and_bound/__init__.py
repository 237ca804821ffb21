"""The engine `branch-and-bound`: discrete plants, neuron-exact Taylor forms, torch."""
