module victoriametrics

go 1.21

require github.com/VictoriaMetrics/metrics v1.40.2

require (
	github.com/valyala/fastrand v1.1.0 // indirect
	github.com/valyala/histogram v1.2.0 // indirect
	golang.org/x/sys v0.15.0 // indirect
)
