"""Films: shots, exact times, memory, speed, and objects found in them."""
