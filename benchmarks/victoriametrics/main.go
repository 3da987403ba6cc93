// As ../client_golang, with VictoriaMetrics/metrics: a set of gauges and counters by their whole names.
package main

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

func main() {
	set, gauges := read(os.Args[1])
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		words := strings.Fields(commands.Text())
		switch words[0] {
		case "change":
			every, err := strconv.Atoi(words[1])
			check(err)
			for place, gauge := range gauges {
				if every > 0 && place%every == 0 {
					gauge.Set(gauge.Get() + 1)
				}
			}
			fmt.Println("ok")
		case "dump":
			var text strings.Builder
			set.WritePrometheus(&text)
			fmt.Println(hex.EncodeToString([]byte(text.String())))
		default:
			body := &counting{}
			began := time.Now()
			write(set, body, words[0] == "gzip")
			fmt.Println(time.Since(began).Nanoseconds(), body.size)
		}
	}
}

// read makes a gauge of each sample, because the library has no constant histograms.
func read(name string) (*metrics.Set, []*metrics.Gauge) {
	file, err := os.Open(name)
	check(err)
	set, gauges := metrics.NewSet(), []*metrics.Gauge{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[end+1:], 64)
		check(err)
		gauge := set.NewGauge(line[:end], nil)
		gauge.Set(value)
		gauges = append(gauges, gauge)
	}
	check(lines.Err())
	return set, gauges
}

func write(set *metrics.Set, body io.Writer, compressed bool) {
	if !compressed {
		set.WritePrometheus(body)
		return
	}
	packed := gzip.NewWriter(body)
	set.WritePrometheus(packed)
	check(packed.Close())
}

type counting struct{ size int }

func (body *counting) Write(bytes []byte) (int, error) {
	body.size += len(bytes)
	return len(bytes), nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
