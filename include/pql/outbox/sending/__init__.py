"""Effects out: due rows claimed, checked, sent at the pace of their destination, and settled."""
