"""Fine-tuning for semantic segmentation: label fractions, the loop, scores, predictions, tables."""
