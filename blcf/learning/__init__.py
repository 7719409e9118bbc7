"""Learning of networks: how blcf-lite, the small network of the package, is distilled."""
