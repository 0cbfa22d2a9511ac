"""What planned calls will cost."""
