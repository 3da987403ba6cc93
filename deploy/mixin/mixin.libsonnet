// Rules, alerts and dashboards as a monitoring mixin (https://monitoring.mixins.dev), made of the files that this repository
// ships. Another mixin can be added with `+`, and each value can be changed with `+::`.
local rules = std.parseYaml(importstr '../prometheus/vod-transcode.rules.yml');
local alerts = std.parseYaml(importstr '../prometheus/vod-transcode.alerts.yml');

{
  prometheusRules+:: { groups+: rules.groups },
  prometheusAlerts+:: { groups+: alerts.groups },
  grafanaDashboards+:: {
    'vod-cost.json': import '../../grafana/dashboards/vod-cost.json',
    'vod-definitions.json': import '../../grafana/dashboards/vod-definitions.json',
    'vod-exporter.json': import '../../grafana/dashboards/vod-exporter.json',
    'vod-job.json': import '../../grafana/dashboards/vod-job.json',
    'vod-jobs.json': import '../../grafana/dashboards/vod-jobs.json',
    'vod-overview.json': import '../../grafana/dashboards/vod-overview.json',
  },
}
