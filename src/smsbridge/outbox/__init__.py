"""The durable queue at work. It runs jobs of any kind and has never heard of SMS."""
