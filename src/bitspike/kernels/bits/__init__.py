"""Between numbers and words of bits: called by `bitspike.spikes`."""
