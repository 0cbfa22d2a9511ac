"""Background duties of `gonogo watch`: one loop each, none of which can stop another."""
