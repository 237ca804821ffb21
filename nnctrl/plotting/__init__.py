"""Pictures of flowpipes, trajectories and requirements."""
