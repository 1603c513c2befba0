"""Pictures of predictions, evaluations and training batches."""
