// A small exporter with client_golang that serves the samples of a text exposition, for benchmarks/exposition.py.
//
//	main FILE
//
// Gauges are children of a GaugeVec for each family, as a program would have them; counters and histograms are constant
// metrics. Commands come by standard input, one a line, and each is answered with one line:
//
//	change N        gives every N-th gauge another value (0: none): "ok"
//	plain | gzip    calls the handler once: nanoseconds and bytes of the body
//	dump            the body in hexadecimal, to see that it is the same exposition
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

func main() {
	file, err := os.Open(os.Args[1])
	check(err)
	families, err := new(expfmt.TextParser).TextToMetricFamilies(file)
	check(err)
	registry := prometheus.NewRegistry()
	gauges := register(registry, families)
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})

	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		words := strings.Fields(commands.Text())
		switch words[0] {
		case "change":
			every, err := strconv.Atoi(words[1])
			check(err)
			change(gauges, every)
			fmt.Println("ok")
		case "dump":
			body := &keeping{}
			handler.ServeHTTP(body, request(false))
			fmt.Println(hex.EncodeToString(body.bytes))
		default:
			body := &counting{}
			asked := request(words[0] == "gzip")
			began := time.Now()
			handler.ServeHTTP(body, asked)
			fmt.Println(time.Since(began).Nanoseconds(), body.size)
		}
	}
}

func register(registry *prometheus.Registry, families map[string]*dto.MetricFamily) []prometheus.Gauge {
	var gauges []prometheus.Gauge
	var constants constant
	for name, family := range families {
		labels := names(family)
		if family.GetType() == dto.MetricType_GAUGE {
			vector := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: family.GetHelp()}, labels)
			registry.MustRegister(vector)
			for _, metric := range family.Metric {
				gauge := vector.WithLabelValues(values(metric)...)
				gauge.Set(metric.Gauge.GetValue())
				gauges = append(gauges, gauge)
			}
			continue
		}
		description := prometheus.NewDesc(name, family.GetHelp(), labels, nil)
		for _, metric := range family.Metric {
			if family.GetType() == dto.MetricType_COUNTER {
				constants = append(constants, prometheus.MustNewConstMetric(
					description, prometheus.CounterValue, metric.Counter.GetValue(), values(metric)...))
				continue
			}
			buckets := map[float64]uint64{}
			for _, bucket := range metric.Histogram.Bucket {
				buckets[bucket.GetUpperBound()] = bucket.GetCumulativeCount()
			}
			constants = append(constants, prometheus.MustNewConstHistogram(
				description, metric.Histogram.GetSampleCount(), metric.Histogram.GetSampleSum(), buckets, values(metric)...))
		}
	}
	registry.MustRegister(constants)
	return gauges
}

func change(gauges []prometheus.Gauge, every int) {
	if every == 0 {
		return
	}
	value := float64(time.Now().UnixNano()%1e9) / 1e9
	for index := 0; index < len(gauges); index += every {
		gauges[index].Set(value + float64(index))
	}
}

func names(family *dto.MetricFamily) []string {
	var found []string
	if len(family.Metric) > 0 {
		for _, label := range family.Metric[0].Label {
			found = append(found, label.GetName())
		}
	}
	return found
}

func values(metric *dto.Metric) []string {
	found := make([]string, 0, len(metric.Label))
	for _, label := range metric.Label {
		found = append(found, label.GetValue())
	}
	return found
}

func request(gzip bool) *http.Request {
	asked, err := http.NewRequest(http.MethodGet, "http://localhost/metrics", nil)
	check(err)
	if gzip {
		asked.Header.Set("Accept-Encoding", "gzip")
	}
	return asked
}

// constant is a collector of metrics that never change.
type constant []prometheus.Metric

func (constant) Describe(chan<- *prometheus.Desc) {}

func (metrics constant) Collect(channel chan<- prometheus.Metric) {
	for _, metric := range metrics {
		channel <- metric
	}
}

// counting throws the body away, so that only the making of it is measured.
type counting struct {
	header http.Header
	size   int
}

func (writer *counting) Header() http.Header {
	if writer.header == nil {
		writer.header = http.Header{}
	}
	return writer.header
}

func (writer *counting) Write(data []byte) (int, error) {
	writer.size += len(data)
	return len(data), nil
}

func (writer *counting) WriteHeader(int) {}

type keeping struct {
	counting
	bytes []byte
}

func (writer *keeping) Write(data []byte) (int, error) {
	writer.bytes = append(writer.bytes, data...)
	return len(data), nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
