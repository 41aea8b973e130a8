"""What a person sees: the comparison, one clip, the form and the live panel."""
