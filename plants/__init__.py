"""Plant models, registered under the entry-point group `nnctrl.plants`; one file is one plant."""
