"""What can be derived, beside what is stored of it: compared, and made anew where they differ."""
