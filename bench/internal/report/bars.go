package report

import (
	"fmt"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/raw"
)

// Verdict is a bar that Ebb has to clear, and whether it does.
type Verdict struct {
	Bar      string  `json:"bar"`
	Wanted   string  `json:"wanted"`
	Measured float64 `json:"measured"`
	Met      bool    `json:"met"`
}

// idleCPU is what counts as no processor time, in seconds a second and pair:
// a keep-alive every 15 seconds is less, a timer a millisecond is more.
const idleCPU = 10e-6

// verdicts is those of the bars for which there are numbers.
func (r *Report) verdicts() []Verdict {
	j := judge{report: r}
	tcp := r.reference()
	j.ratio("bulk / TCP", "ebb", measure.BulkRate, tcp, 0.5)
	j.ratio("bulk / TLS", "ebb", measure.BulkRate, "tls", 1.2)
	j.ratio("bulk / quic-go", "ebb", measure.BulkRate, "quic-go", 5)
	j.ratio("bulk / kcp-go", "ebb", measure.BulkRate, "kcp-go", 10)
	j.ratioAtMost("CPU per GB / TLS", "ebb", measure.BulkCPU, "tls", 1)
	if one, ok := r.median("ebb", measure.BulkRate); ok {
		if eight, ok := r.median("ebb", measure.EightRate); ok {
			j.atLeast("eight connections / one", eight/one, 0.9)
		}
	}
	// A peer that has offloads switched off is judged if it took part.
	if off, ok := r.median("ebb-nooffload", measure.BulkRate); ok {
		if limit, ok := r.median("raw-mmsg", raw.Rate); ok {
			j.atLeast("offloads off / raw sendmmsg", off/limit, 0.7)
		}
	}
	j.ping(tcp)
	j.ratio("dial one at a time / TCP", "ebb", measure.DialOne, tcp, 0.5)
	j.dialMany(tcp)
	j.relay("no loss", measure.RelayClean, measure.RelayCleanUsed, measure.RelayCleanSent, 0.94)
	j.relay("1 % loss", measure.RelayLossy, measure.RelayLossyUsed, measure.RelayLossySent, 0.92)
	j.idle()
	j.many()
	j.protected()
	return j.verdicts
}

type judge struct {
	report   *Report
	verdicts []Verdict
}

func (j *judge) atLeast(bar string, measured, bound float64) {
	j.verdicts = append(j.verdicts, Verdict{bar, fmt.Sprintf("≥ %v", bound), measured, measured >= bound})
}

func (j *judge) atMost(bar string, measured, bound float64) {
	j.verdicts = append(j.verdicts, Verdict{bar, fmt.Sprintf("≤ %v", bound), measured, measured <= bound})
}

// ratio judges a peer's median over another's.
func (j *judge) ratio(bar, peer string, metric measure.Metric, other string, bound float64) {
	ours, ok := j.report.median(peer, metric)
	theirs, known := j.report.median(other, metric)
	if ok && known && theirs > 0 {
		j.atLeast(bar, ours/theirs, bound)
	}
}

// ratioAtMost is ratio for what should be small.
func (j *judge) ratioAtMost(bar, peer string, metric measure.Metric, other string, bound float64) {
	ours, ok := j.report.median(peer, metric)
	theirs, known := j.report.median(other, metric)
	if ok && known && theirs > 0 {
		j.atMost(bar, ours/theirs, bound)
	}
}

// below judges a peer's median that has to be smaller than another's.
func (j *judge) below(bar, peer string, metric measure.Metric, other string) {
	ours, ok := j.report.median(peer, metric)
	theirs, known := j.report.median(other, metric)
	if ok && known && theirs > 0 {
		j.verdicts = append(j.verdicts, Verdict{bar, "< 1", ours / theirs, ours < theirs})
	}
}

func (j *judge) ping(tcp string) {
	p50, ok := j.report.median("ebb", measure.PingP50)
	if !ok {
		return
	}
	if theirs, ok := j.report.median(tcp, measure.PingP50); ok {
		j.atMost("ping-pong p50 / TCP", p50/theirs, 1.4)
	}
	fastest := 0.0
	for _, name := range []string{"quic-go", "kcp-go", "utp", "libutp"} {
		if theirs, ok := j.report.median(name, measure.PingP50); ok && (fastest == 0 || theirs < fastest) {
			fastest = theirs
		}
	}
	if fastest > 0 {
		j.verdicts = append(j.verdicts, Verdict{"ping-pong p50 / the fastest other on UDP", "< 1", p50 / fastest, p50 < fastest})
	}
	if p99, ok := j.report.median("ebb", measure.PingP99); ok {
		j.atMost("ping-pong p99 / p50", p99/p50, 4)
	}
}

func (j *judge) dialMany(tcp string) {
	const plenty = 10_000
	ours, ok := j.report.median("ebb", measure.DialMany)
	if !ok {
		return
	}
	theirs, ok := j.report.median(tcp, measure.DialMany)
	met := ours >= plenty || ok && ours >= 0.5*theirs
	j.verdicts = append(j.verdicts, Verdict{"dials 32 at a time, /s", "≥ 10000 or 0.5 × TCP", ours, met})
}

// relay judges a path by what passes it and by what of that is the application's: the one
// alone would be met by sending everything twice.
func (j *judge) relay(loss string, rate, used, sent measure.Metric, bound float64) {
	const peer, waste = "ebb", 1.05
	if part, ok := j.report.median(peer, used); ok {
		j.atLeast("relay, "+loss+", link used", part, bound)
	}
	if goodput, ok := j.report.median(peer, rate); ok {
		j.atLeast("relay, "+loss+", application's bytes / link", goodput/measure.RelayRate, bound)
	}
	if bytes, ok := j.report.median(peer, sent); ok {
		j.atMost("relay, "+loss+", sent / delivered", bytes, waste)
	}
}

func (j *judge) idle() {
	const peer = "ebb-endpoint"
	if rss, ok := j.report.median(peer, measure.IdleRSS); ok {
		j.atMost("idle pair, RSS in KB", rss/1000, 10)
	}
	if n, ok := j.report.median(peer, measure.IdleRoutes); ok {
		j.atMost("idle pair, goroutines", n, 0.05)
	}
	if cpu, ok := j.report.median(peer, measure.IdleCPU); ok {
		j.atMost("idle pair, CPU in µs/s", cpu*1e6, idleCPU*1e6)
	}
}

// many judges a multitude on one socket. The tenth of a core is for 10,000.
func (j *judge) many() {
	const peer, cores, conns = "ebb-endpoint", 0.1, 10_000
	n, ok := j.report.median(peer, measure.ManyConns)
	if !ok {
		return
	}
	all, ok := j.report.median(peer, measure.ManyMessages)
	if few, known := j.report.median(peer, measure.ManyFew); ok && known {
		j.atMost(fmt.Sprintf("%v connections, a message a second, extra cores", n), all-few, cores*n/conns)
	}
	busy, ok := j.report.median(peer, measure.ManyBusy)
	if alone, known := j.report.median(peer, measure.ManyAlone); ok && known && alone > 0 {
		j.atLeast(fmt.Sprintf("100 busy of %v / 100 alone", n), busy/alone, 0.9)
	}
}

// protected judges what protection costs: beside TLS over the kernel's TCP, which seals as much.
func (j *judge) protected() {
	const peer, endpoint, tls, quic = "ebb-tls", "ebb-tls-endpoint", "tls", "quic-go"
	j.ratio("protected, bulk / TLS", peer, measure.BulkRate, tls, 1)
	j.ratio("protected, bulk / quic-go", peer, measure.BulkRate, quic, 2.5)
	j.ratioAtMost("protected, CPU per GB / TLS", peer, measure.BulkCPU, tls, 1)
	j.ratio("protected, eight connections / TLS", peer, measure.EightRate, tls, 0.9)
	j.ratioAtMost("protected, ping-pong p50 / TLS", peer, measure.PingP50, tls, 1.25)
	j.below("protected, ping-pong p50 / quic-go", peer, measure.PingP50, quic)
	j.ratio("protected, dial one at a time / TLS", peer, measure.DialOne, tls, 1)
	j.ratio("protected, dials 32 at a time / TLS", peer, measure.DialMany, tls, 1)
	j.ratio("protected, resumed / TLS", peer, measure.Resumed, tls, 1)
	j.ratio("protected, 32 resumed at a time / TLS", peer, measure.ResumedAll, tls, 1)
	if rss, ok := j.report.median(endpoint, measure.IdleRSS); ok {
		j.atMost("protected, idle pair, RSS in KB", rss/1000, 20)
	}
	if n, ok := j.report.median(endpoint, measure.IdleRoutes); ok {
		j.atMost("protected, idle pair, goroutines", n, 0.05)
	}
}
