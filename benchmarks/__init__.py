"""Problems with expected verdicts, registered under the entry-point group `nnctrl.problems`."""
