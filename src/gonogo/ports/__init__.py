"""What subjects and engines share: values and Protocols."""
