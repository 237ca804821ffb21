"""The counterexample loop: train, verify, learn from what the verifier found, repeat."""
