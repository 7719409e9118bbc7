"""The heavy work on a GPU, beside plain ways on the same GPU."""
