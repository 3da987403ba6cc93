"""The web configuration file: TLS, client certificates, passwords, headers and a rate limit of the HTTP server.

Its format is that of Prometheus's exporter-toolkit:
https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""
