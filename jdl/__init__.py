"""A justice data lab: from a list of people to a published comparison of proven reoffending."""
