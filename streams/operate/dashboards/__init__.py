"""Grafana's dashboards as code; `cdb dashboards` writes them where Grafana is told to look."""
