"""Porting: a network of one framework becomes a description, and a description becomes source of another framework, with a proof."""
