"""The experiments of the Hessian paper (section VII), registered as the suite `hessian-paper`; one file is one."""
