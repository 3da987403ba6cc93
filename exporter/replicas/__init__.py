"""Several replicas of the exporter that share their accounts through a PostgreSQL database."""
