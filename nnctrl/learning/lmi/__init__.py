"""Networks that meet quadratic specifications by construction: analysis and synthesis by linear matrix inequalities."""
