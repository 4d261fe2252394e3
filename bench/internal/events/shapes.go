package events

import (
	"strconv"
	"strings"
)

// field is one member. An optional one is left out when the event would become too long.
type field struct {
	name, value string // value is text, or with raw JSON as it stands
	optional    bool
	raw         bool
}

// callback is what the provider's webhook sends at a call's end, in the order of the real ones.
func (g *Generator) callback(size int) {
	c := g.code()
	id, seconds := string(g.key), 0
	status, answer := "no-answer", ""
	if c.answered {
		status, seconds = "completed", 1+g.rng.IntN(300)
		answer = g.moment()
	}
	g.fields = append(
		g.fields[:0],
		field{"ALegRequestUUID", id, true, false}, field{"ALegUUID", id, true, false},
		field{"AnswerTime", answer, false, false}, field{"BillDuration", strconv.Itoa((seconds + 59) / 60 * 60), false, false},
		field{"BillRate", "0.00850", true, false}, field{"CallStatus", status, false, false},
		field{"CallUUID", id, false, false}, field{"Direction", g.direction(), false, false},
		field{"Duration", strconv.Itoa(seconds), true, false}, field{"EndTime", g.moment(), true, false},
		field{"Event", "Hangup", false, false}, field{"From", g.number("1555555"), false, false},
		field{"HangupCauseCode", c.text, false, false}, field{"HangupCauseName", c.name, true, false},
		field{"HangupSource", c.source, true, false}, field{"ParentAuthID", "MAXXXXXXXXXXXXXXXXXX", true, false},
		field{"RequestUUID", id, true, false}, field{"STIRVerification", "Not Applicable", true, false},
		field{"SessionStart", g.moment() + ".128660", true, false}, field{"StartTime", g.moment(), true, false},
		field{"To", g.number("9155555"), false, false}, field{"TotalCost", "0.0" + strconv.Itoa(1000+seconds), true, false},
	)
	g.write(size)
}

// record is a call-detail record: numbers are numbers, and what is absent is null.
func (g *Generator) record(size int) {
	c := g.code()
	seconds, answer := "0", field{"answer_time", "null", false, true}
	if c.answered {
		seconds = strconv.Itoa(1 + g.rng.IntN(300))
		answer = field{"answer_time", g.moment() + "+00:00", false, false}
	}
	g.fields = append(
		g.fields[:0],
		answer,
		field{"api_id", string(g.key), true, false}, field{"bill_duration", seconds, false, true},
		field{"billed_duration", seconds, true, true}, field{"call_direction", g.direction(), false, false},
		field{"call_duration", seconds, true, true}, field{"call_uuid", string(g.key), false, false},
		field{"end_time", g.moment() + "+00:00", true, false}, field{"from_number", g.number("+1555555"), false, false},
		field{"HangupCauseCode", c.text, false, true}, field{"hangup_source", c.source, true, false},
		field{"initiation_time", g.moment() + "+00:00", true, false}, field{"parent_call_uuid", "null", true, true},
		field{"resource_uri", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Call/" + string(g.key) + "/", true, false},
		field{"stir_verification", "Not Applicable", true, false}, field{"to_number", g.number("9155555"), false, false},
		field{"total_amount", "0.00850", true, false}, field{"total_rate", "0.00850", true, false},
	)
	g.write(size)
}

// progress is a callback of a call that goes on.
func (g *Generator) progress(size int) {
	kinds := [...][2]string{{"Ring", "ringing"}, {"Ring", "ringing"}, {"StartApp", "in-progress"}, {"Redirect", "in-progress"}}
	kind := kinds[g.rng.IntN(len(kinds))]
	caller := ""
	if g.rng.IntN(4) == 0 {
		caller = `"Zoë" O'Neill\` // asks for escapes
	}
	g.fields = append(
		g.fields[:0],
		field{"CallStatus", kind[1], false, false}, field{"CallUUID", string(g.key), false, false},
		field{"CallerName", caller, true, false}, field{"Direction", g.direction(), false, false},
		field{"Event", kind[0], false, false}, field{"From", g.number("1555555"), false, false},
		field{"ParentAuthID", "MAXXXXXXXXXXXXXXXXXX", true, false}, field{"RequestUUID", string(g.key), true, false},
		field{"SessionStart", g.moment() + ".199077", true, false}, field{"To", g.number("9155555"), false, false},
	)
	g.write(size)
}

// write writes the fields as an object of about size bytes: it leaves optional fields out, or adds
// what callers may add themselves: SIP headers and legs.
func (g *Generator) write(size int) {
	length := 1
	for i := range g.fields {
		if !g.fields[i].optional {
			length += g.fields[i].len()
		}
	}
	g.value = append(g.value[:0], '{')
	for i := range g.fields {
		f := &g.fields[i]
		if f.optional {
			if length+f.len() > size {
				continue
			}
			length += f.len()
		}
		g.member(f)
	}
	for n := 1; len(g.value)+slack < size; n++ {
		g.extra(n, size-len(g.value))
	}
	g.value[len(g.value)-1] = '}' // instead of the last comma
}

// slack is too little for one more member.
const slack = 24

func (f *field) len() int { return len(f.name) + len(f.value) + len(`"":"",`) }

func (g *Generator) member(f *field) {
	g.value = append(append(append(g.value, '"'), f.name...), '"', ':')
	switch {
	case f.raw:
		g.value = append(g.value, f.value...)
	case strings.ContainsAny(f.value, `"\\`):
		g.value = strconv.AppendQuote(g.value, f.value)
	default: // nearly all, and several times as fast
		g.value = append(append(append(g.value, '"'), f.value...), '"')
	}
	g.value = append(g.value, ',')
}

// extra appends one more member of at most left bytes or little more.
func (g *Generator) extra(n, left int) {
	const legSize = 150
	if left > 2*legSize && n%3 == 0 {
		g.value = append(g.value, `"Leg`...)
		g.value = strconv.AppendInt(g.value, int64(n), 10)
		g.value = append(g.value, `":{"uuid":"`...)
		g.value = g.uuid(g.value)
		g.value = append(g.value, `","quality":{"mos":4.`...)
		g.value = strconv.AppendInt(g.value, g.rng.Int64N(10), 10)
		g.value = append(g.value, `,"jitter_ms":[`...)
		for i := range 6 {
			if i > 0 {
				g.value = append(g.value, ',')
			}
			g.value = strconv.AppendInt(g.value, g.rng.Int64N(90), 10)
		}
		g.value = append(g.value, `]},"codec":"PCMU","recorded":false},`...)
		return
	}
	g.value = append(g.value, `"X-PH-H`...)
	g.value = strconv.AppendInt(g.value, int64(n), 10)
	g.value = append(g.value, `":"`...)
	words := [...]string{"campaign", "agent", "queue", "north", "sales", "retry", "tier", "lead"}
	for room := min(left-slack, 24+g.rng.IntN(60)); room > 0; {
		w := words[g.rng.IntN(len(words))]
		g.value = append(append(g.value, w...), '-')
		room -= len(w) + 1
	}
	g.value = append(g.value, `",`...)
}

func (g *Generator) direction() string {
	if g.rng.IntN(100) < 85 { // share of outbound calls
		return "outbound"
	}
	return "inbound"
}

// moment writes a time as callbacks do, without a zone.
func (g *Generator) moment() string {
	s := g.rng.IntN(86400)
	b := g.scratch[:0]
	b = append(b, "2026-11-"...)
	b = two(b, 1+g.rng.IntN(28))
	b = append(b, ' ')
	b = append(two(b, s/3600), ':')
	b = append(two(b, s/60%60), ':')
	b = two(b, s%60)
	g.scratch = b
	return string(b)
}

func two(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

func (g *Generator) number(prefix string) string {
	return prefix + strconv.Itoa(10000+g.rng.IntN(89999))
}
