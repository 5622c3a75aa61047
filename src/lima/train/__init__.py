"""One loop for all training, pretraining, and the parts they are made of, a file each."""
