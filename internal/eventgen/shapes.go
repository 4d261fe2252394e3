package eventgen

import (
	"fmt"
	"net/url"
	"strconv"
)

// field is one member of an event, in the order of the real ones.
type field struct{ name, value string }

// hangup makes the event that ends a call, in one of the three shapes that are seen:
// callback as JSON, callback as form body, call-detail record.
func (g *Generator) hangup(c *call) {
	g.cause(c)
	switch n := g.rng.IntN(100); {
	case n < 70: // shares of the shapes
		g.hangupJSON(c)
	case n < 85:
		g.form(g.hangupFields(c))
	default:
		g.record(c)
	}
}

func (g *Generator) hangupJSON(c *call) {
	if c.name == "" {
		g.cause(c)
	}
	g.json(g.hangupFields(c))
}

func (g *Generator) hangupFields(c *call) []field {
	answer, billed, status := "", "0", "no-answer"
	if c.answered {
		answer, billed, status = c.time(9), strconv.Itoa((c.seconds+59)/60*60), "completed"
	} else if c.code == 3010 || c.code == 3100 {
		status = "busy"
	}
	fs := []field{}
	if c.answered {
		fs = append(fs, field{"ALegRequestUUID", c.uuid}, field{"ALegUUID", c.uuid})
	}
	return append(fs,
		field{"AnswerTime", answer}, field{"BillDuration", billed}, field{"BillRate", "0.005"}, field{"CallStatus", status},
		field{"CallUUID", c.uuid}, field{"Direction", c.direction}, field{"Duration", strconv.Itoa(c.seconds)},
		field{"EndTime", c.time(9 + c.seconds)}, field{"Event", "Hangup"}, field{"From", c.from},
		field{"HangupCauseCode", strconv.Itoa(int(c.code))}, field{"HangupCauseName", c.name},
		field{"HangupSource", c.source}, field{"ParentAuthID", "MAXXXXXXXXXXXXXXXXXX"}, field{"RequestUUID", c.uuid},
		field{"STIRAttestation", "Not Applicable"}, field{"STIRVerification", "Not Applicable"},
		field{"SessionStart", c.time(0) + "." + fmt.Sprintf("%06d", g.rng.IntN(1e6))}, field{"StartTime", c.time(1)},
		field{"To", c.to}, field{"TotalCost", fmt.Sprintf("0.%05d", (c.seconds+59)/60*500)})
}

// legacy makes an old callback, which has a name and no code.
func (g *Generator) legacy(c *call) {
	names := [...]string{"USER_BUSY", "NO_ANSWER", "NORMAL_CLEARING", "CALL_REJECTED", "UNALLOCATED_NUMBER", "ORIGINATOR_CANCEL"}
	g.json([]field{
		{"CallUUID", c.uuid},
		{"RequestUUID", g.uuid()},
		{"HangupCause", names[g.rng.IntN(len(names))]},
		{"Direction", c.direction},
		{"CallStatus", "completed"},
		{"From", c.from},
		{"To", c.to},
	})
}

// progress makes an event of a call that goes on.
func (g *Generator) progress(c *call) {
	fs := []field{{"CallUUID", c.uuid}, {"Direction", c.direction}, {"From", c.from}, {"ParentAuthID", "MAXXXXXXXXXXXXXXXXXX"}, {"RequestUUID", c.uuid}, {"To", c.to}}
	switch g.rng.IntN(4) {
	case 0:
		fs = append(fs, field{"CallStatus", "in-progress"}, field{"Event", "StartApp"}, field{"ALegUUID", c.uuid}, field{"ALegRequestUUID", c.uuid}, field{"BillRate", "0.005"}, field{"SessionStart", c.time(9)})
	case 1:
		fs = append(fs, field{"CallStatus", "in-progress"}, field{"Event", "Redirect"}, field{"Digits", strconv.Itoa(g.rng.IntN(10))})
	default:
		fs = append(fs, field{"CallStatus", "ringing"}, field{"CallerName", ""}, field{"Event", "Ring"}, field{"SessionStart", c.time(0)})
	}
	if g.rng.IntN(100) < 15 { // share of form bodies
		g.form(fs)
		return
	}
	g.json(fs)
}

// record makes a call-detail record: numbers are numbers, what is absent is null.
func (g *Generator) record(c *call) {
	answer := "null"
	if c.answered {
		answer = strconv.Quote(c.time(9) + "+00:00")
	}
	parent := "null"
	if g.rng.IntN(12) == 0 { // a B leg now and then
		parent = strconv.Quote(g.uuid())
	}
	g.buf = fmt.Appendf(g.buf, `{"answer_time":%s,"api_id":"%s","bill_duration":%d,"billed_duration":%d,"call_direction":"%s","call_duration":%d,"call_uuid":"%s","end_time":"%s+00:00","from_number":"+%s","hangup_cause_code":%d,"hangup_cause_name":%q,"hangup_source":%q,"initiation_time":"%s+00:00","parent_call_uuid":%s,"resource_uri":"/v1/Account/MAXXXXXXXXXXXXXXXXXX/Call/%s/","stir_attestation":"","stir_verification":"Not Applicable","to_number":"%s","total_amount":"0.%05d","total_rate":"0.00500"}`,
		answer, g.uuid(), c.seconds, (c.seconds+59)/60*60, c.direction, c.seconds, c.uuid, c.time(9+c.seconds), c.from, c.code, c.name, c.source, c.time(0), parent, c.uuid, c.to, (c.seconds+59)/60*500)
}

// trunk makes a record of another product, whose codes collide with the catalog's.
func (g *Generator) trunk(c *call) {
	g.buf = fmt.Appendf(g.buf, `{"call_uuid":"%s","call_direction":"%s","call_duration":41,"bill_duration":60,"billed_duration":60,"end_time":"%s","hangup_cause_name":"normal_hangup","hangup_cause_code":3000,"hangup_source":"carrier","trunk_domain":"0000000000.trunk.example","transport_protocol":"tcp","srtp":false}`,
		c.uuid, c.direction, c.time(50))
}

// breakIt damages the event in one of the ways that are seen.
func (g *Generator) breakIt() {
	switch g.rng.IntN(4) {
	case 0: // cut off
		g.buf = g.buf[:len(g.buf)/2]
	case 1: // a schema registry's frame
		g.buf = append([]byte{0, 0, 0, 0, 7}, g.buf...)
	case 2: // not UTF-8
		g.buf = append(g.buf[:len(g.buf)-1], ",\"x\":\"\xff\"}"...)
	default: // two documents
		g.buf = append(g.buf, g.buf...)
	}
}

func (g *Generator) json(fs []field) {
	sep := byte('{')
	for _, f := range fs {
		g.buf = append(g.buf, sep)
		g.buf = strconv.AppendQuote(g.buf, f.name)
		g.buf = append(g.buf, ':')
		g.buf = strconv.AppendQuote(g.buf, f.value)
		sep = ','
	}
	g.buf = append(g.buf, '}')
}

func (g *Generator) form(fs []field) {
	for i, f := range fs {
		if i > 0 {
			g.buf = append(g.buf, '&')
		}
		g.buf = append(g.buf, f.name...)
		g.buf = append(g.buf, '=')
		g.buf = append(g.buf, url.QueryEscape(f.value)...)
	}
}
