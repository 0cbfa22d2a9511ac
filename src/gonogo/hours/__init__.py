"""A dependency's history by the hour: counts, rates, values, slices."""
