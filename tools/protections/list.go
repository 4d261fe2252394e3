package main

import "slices"

const (
	never = "if false {"
	some  = "Test.*" // it shows which
)

// protections lists what SECURITY.md and docs/security.md promise and code alone can keep.
func protections() []protection {
	return slices.Concat(fromBytes(), ofThePage(), ofLogins(), ofTokens(), ofLoginAnswers())
}

// fromBytes are those from what producers and brokers send.
func fromBytes() []protection {
	const (
		batches = "internal/broker/recordbatch/"
		scan    = "pkg/enrich/internal/jsonscan/scan.go"
	)
	return []protection{
		{"a record batch whose checksum is wrong", batches + "batch.go", "if want != got {", "if false && want != got {", some},
		{"a record that is longer than its batch", batches + "reader.go", "if i < 0 || length < 0 || length > len(r.payload)-i {", "if i < 0 || length < 0 {", "TestNestedSizesThatLie"},
		{"a key or value that is longer than its record", batches + "headers.go", "case i < 0 || n < -1 || n > len(b)-i:", "case i < 0 || n < -1:", "TestNestedSizesThatLie"},
		{"offsets that go back", batches + "reader.go", "if offset <= r.last || offset > r.maxDelta {", "if offset > r.maxDelta {", some},
		{"a batch that unpacks to more than the limit, as a stream", batches + "decompress.go", "case len(dst) > d.limit:", "case false:", "TestBombsCostNoMoreThanTheLimit"},
		{"the same, in blocks of LZ4", batches + "decompress.go", "if len(dst) > d.limit {", never, "TestBombsCostNoMoreThanTheLimit"},
		{"the same, of Snappy", batches + "decompress.go", "if n > d.limit-len(dst) {", never, "TestBombsCostNoMoreThanTheLimit"},
		{"a block of Snappy that claims what it cannot hold", batches + "decompress.go", "if n > maxSnappyRatio*len(block) {", never, some},
		{"a frame of zstd that claims what it cannot hold", batches + "decompress.go", "if err := d.zstdHeader(&h, len(frame), len(dst)); err != nil {", "if err := error(nil); err != nil {", some},
		{"what another batch held, to who asks for it by LZ4", batches + "decompress.go", "return d.readAll(lz4.NewReader(&d.src), dst)", `if again == nil {
				again = lz4.NewReader(nil)
			}
			again.Reset(&d.src)
			return d.readAll(again, dst)
		}
		var again *lz4.Reader
		func init() {`, "TestLZ4FramesKnowNothingOfEachOther"},
		{"a window of zstd beyond the limit, on a first try", batches + "decompress.go", "d.limit < DefaultMaxDecompressed && blocks", "d.limit < 0 && blocks", "TestBombsCostNoMoreThanTheLimit"},
		{"small batches in many partitions that unpack to very much", "internal/pipeline/unpack.go", "semaphore.NewWeighted(all)", "semaphore.NewWeighted(all << 20)", "TestUnpackedIsBoundedForAllWorkers"},
		{"an event that no topic takes", "internal/pipeline/filter.go", "if len(rec.Value) > usualEvent {", never, "TestEventThatNoTopicTakesIsNotRead"},
		{"what is left of a large event", "pkg/enrich/enrich.go", "cap(s.retryID.event) > keptScratch {", "cap(s.retryID.event) < 0 {", "TestReleasedResultIsSmall"},
		{"batches that unpack to very much, in the verbs", "internal/topic/unpack.go", "recordbatch.NewDecompressor(recordbatch.DefaultMaxDecompressed)", "recordbatch.NewDecompressor(1 << 30)", some},
		{"an answer to another request", "internal/broker/guard.go", "case id != want:", "case false:", "TestHostileAnswers"},
		{"an answer of any size", "internal/broker/guard.go", "case n < 0 || n > most:", "case n < 0:", "TestHostileAnswers"},
		{"an answer that was not asked for", "internal/broker/guard.go", "if len(g.pending) == 0 {", never, "TestAnswerThatNobodyAskedFor"},
		{"an answer whose counts do not fit it", "internal/broker/shape.go", "if !w.walk(s) {", "if !w.walk(s) && key < 0 {", "TestAnswersThatLieAreRefusedOrHarmless"},
		{"a partition twice in an answer", "internal/broker/fetch.go", "resp.Results = onlyAsked(req, resp.Results)", "", "./internal/pipeline TestBatchesThatComeAgain"},
		{"an answer that never leads on", "internal/pipeline/fetch.go", "part.nowhere++; part.nowhere >= nowhereTries {", "part.nowhere++; false {", "TestAnswersThatDoNotLeadOn"},
		{"a committed offset that is left out", "internal/broker/coordinator.go", "if o, ok := offsets[tp]; !ok || o < -1 {", never, "TestCommittedOffsetsThatAreLeftOut"},
		{"a missing right to write, without a word on it", "internal/broker/sender.go", "case k == kafka.TopicAuthorizationFailed:", "case false:", "./internal/pipeline TestOutputTopicMadeReadOnly"},
		{"a missing right to commit, without a word on it", "internal/broker/transaction.go", "return fmt.Errorf(\"%s: %w (%s)\", what, k, groupRights(group))", "return fmt.Errorf(\"%s: %w\", what, k)", "./internal/pipeline TestCommitThatIsForbiddenEnds"},
		{"nesting beyond the limit", scan, "if depth == maxDepth {", never, some},
		{"bytes that are not UTF-8", scan, "if high && !utf8.Valid(p) {", "if high && !utf8.Valid(p) && maxDepth < 0 {", "./pkg/enrich TestJSONTexts"},
		{"YAML bombs", "internal/strictyaml/parse.go", "if at, excess := tooMuch(tokens); at != nil {", "if at, excess := tooMuch(tokens); at != nil && excess == \"\" {", "Test(Bombs|KeysOfOneMappingAreBounded)"},
	}
}

// ofThePage are those of the status page and its visitors from each other.
func ofThePage() []protection {
	return []protection{
		{"a page for everybody", "internal/ops/page.go", "if !loopback && !p.guarded() {", never, "TestPageIsNotExposed"},
		{"a wrong token", "internal/ops/access.go", "if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {", "if subtle.ConstantTimeCompare(got[:], want[:]) > 1 {", "TestTokenIsAskedForEverywhere"},
		{"a name that resolves to loopback", "internal/ops/guard.go", "if loopback && !ours(r.Host, host) {", never, "TestHost"},
		{"what another site asks for", "internal/ops/guard.go", `if r.URL.Path != "/" && (site == "cross-site" || site == "same-site") {`, "if site == \"none of them\" {", "TestOtherSitesAreRefused"},
		{"what another site posts", "internal/ops/guard.go", "page = posts.Handler(page)", "", "TestOtherSitesAreRefused"},
		{"scripts and frames of others", "internal/ops/guard.go", `h.Set("Content-Security-Policy", policy)`, "", "TestEveryAnswerIsFenced"},
		{"a body without end", "internal/ops/page.go", "io.ReadAll(http.MaxBytesReader(w, r.Body, MaxEvent))", "io.ReadAll(r.Body)", "TestExplain"},
		{"a body that never comes", "internal/ops/ops.go", "ReadTimeout: readTimeout, ", "", "TestSlowBodyIsNotWaitedFor"},
		{"a head without end", "internal/ops/ops.go", ", MaxHeaderBytes: maxHeader,", ",", "TestHeadIsBounded"},
		{"a page that anybody's certificate opens", "internal/ops/access.go", "tls.RequireAndVerifyClientCert", "tls.RequestClientCert", "TestClientCertificates"},
	}
}

// ofLogins are those of what is sent to brokers and shown to people.
func ofLogins() []protection {
	return []protection{
		{"TLS before 1.2", "internal/login/tls.go", "cfg := &tls.Config{MinVersion: tls.VersionTLS12,", "cfg := &tls.Config{MinVersion: tls.VersionTLS10,", "TestTLS"},
		{"a broker that cannot prove who it is", "internal/login/tls.go", "cfg := &tls.Config{MinVersion", "cfg := &tls.Config{InsecureSkipVerify: true, MinVersion", "TestTLS"},
		{"an authority whose certificate has been renewed", "internal/login/tls.go", "func addCertificates(pool *x509.CertPool, file string) error {\n\tpem, err := os.ReadFile(file)", `var kept = map[string][]byte{}
		func addCertificates(pool *x509.CertPool, file string) error {
			pem, err := kept[file], error(nil)
			if pem == nil {
				pem, err = os.ReadFile(file)
				kept[file] = pem
			}`, "TestAuthorityIsReadAgain"},
		{"a certificate of ours that has been renewed", "internal/login/tls.go", "func keyPair(certFile, keyFile string) (tls.Certificate, error) {\n\tpair, err := tls.LoadX509KeyPair(certFile, keyFile)", `var pairs = map[string]tls.Certificate{}
		func keyPair(certFile, keyFile string) (tls.Certificate, error) {
			pair, err := pairs[certFile], error(nil)
			if pair.Leaf == nil {
				pair, err = tls.LoadX509KeyPair(certFile, keyFile)
				pairs[certFile] = pair
			}`, "TestClientCertificate/TLS_1.3"},
		{"a token or password that has been changed", "internal/login/sasl.go", `func (s secret) read() (string, error) {
	if s.file == "" {
		return s.value, nil
	}
	value, err := config.ReadSecret(s.file)`, `var values = map[string]string{}
		func (s secret) read() (string, error) {
			if s.file == "" {
				return s.value, nil
			}
			value, err := values[s.file], error(nil)
			if value == "" {
				value, err = config.ReadSecret(s.file)
				values[s.file] = value
			}`, "TestToken"},
		{"a login that expires", "internal/login/conn.go", "if !c.renew.IsZero() && time.Now().After(c.renew) && c.idle() {", "if false && c.idle() {", "TestRenewal"},
		{"a renewal's deadline on the requests after it", "internal/login/conn.go", "defer c.restore()", "", "TestDeadlinesOutliveRenewal"},
		{"a user that is locked out for a wrong password", "internal/login/login.go", "if err := d.refusals.still(address); err != nil {", "if err := d.refusals.still(address); err != nil && false {", some},
		{"a TLS handshake that never comes", "internal/login/login.go", "secured.HandshakeContext(short)", "secured.HandshakeContext(context.WithoutCancel(short))", "TestSilentHandshake"},
		{"a connection or login that never comes", "internal/login/login.go", "context.WithTimeout(ctx, d.Timeout())", "context.WithCancel(ctx)", "TestSilentDial"},
		{"secrets in what is printed", "internal/config/security.go", "\treturn masked\n", "\treturn string(s)\n", "TestSecretIsNotPrinted"},
		{"secrets in the file itself", "internal/config/expand.go", "if isSecret(path) && err == nil", "if false && isSecret(path) && err == nil", some},
		{"phone numbers behind escapes", "internal/privacy/sample.go", "for range escapeDepth {", "for range 0 {", "TestNumbersBehindEscapes"},
		{"phone numbers in the place of codes", "internal/pipeline/ledger.go", "if res.Outcome == enrich.UnknownCode && LongCode(res.Code) {", never, "./internal/app TestLogsHaveNothingOfEvents"},
		{"what a terminal obeys", "internal/cli/visible.go", "func shows(r rune) bool { return r == '\\n' || unicode.IsPrint(r) }", "func shows(r rune) bool { return r == '\\n' || r >= 0 || unicode.IsPrint(r) }", some},
		{"phone numbers in what people read", "internal/privacy/mask.go", "b.WriteString(maskDigits(text[at[0]:at[1]]))", "b.WriteString(text[at[0]:at[1]])", "TestMask"},
		{"addresses in what people read", "internal/privacy/mask.go", `b.WriteString("***@***")`, "b.WriteString(text[at[0]:at[1]])", "TestMask"},
	}
}

// ofTokens are those of what a login is made of, and where that comes from.
func ofTokens() []protection {
	const (
		oauth = "internal/login/oauth.go"
		aws   = "internal/login/aws.go"
	)
	return []protection{
		{"a token that is about to expire", oauth, "time.Until(e.token.Expiry) > tokenMargin {", "time.Until(e.token.Expiry) > 0 {", "TestShortTokens"},
		{"a token that has been refused", oauth, "if e.token != nil && e.token.AccessToken == token {", never, "TestRefusedToken"},
		{"a secret for another than who is named", oauth, "CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },", "", "TestRedirectedEndpoint"},
		{"what a token endpoint answers", oauth, "return \"\", e.explain(err)", "return \"\", err", "TestEndpoint"},
		{"a token endpoint that cannot prove who it is", oauth, "TLSClientConfig: &tls.Config{MinVersion", "TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion", "TestEndpointByTLS"},
		{"a token endpoint that the brokers' authority does not sign for", oauth, "if e.caFile != \"\" {", never, "TestEndpointByTLS"},
		{"a token that never comes", oauth, "contextFor(tokenTimeout)", "contextFor(1000 * tokenTimeout)", "TestSilentEndpoint"},
		{"AWS keys that have been changed", aws, "if m.of == nil || !reflect.DeepEqual(cfg.ConfigSources, m.sources) {", "if m.of == nil && !reflect.DeepEqual(cfg.ConfigSources, m.sources) {", "TestAWSKeysAreReadAgain"},
		{"an AWS role that is asked for at each login", aws, "if m.of == nil || !reflect.DeepEqual(cfg.ConfigSources, m.sources) {", "if m.of == nil || !reflect.DeepEqual(cfg.ConfigSources, m.sources) || true {", "TestAWSWebIdentity"},
		{"keys of an AWS role that have been refused", aws, "if m.of == of {", never, "TestAWSWebIdentity"},
	}
}

// ofLoginAnswers are those from what brokers and token endpoints answer to a login.
func ofLoginAnswers() []protection {
	const (
		wire   = "internal/login/wire.go"
		words  = "internal/login/errors.go"
		dialer = "internal/login/login.go"
	)
	return []protection{
		{"an answer to another request than the login's", wire, "id != correlationID || ", "", "TestFramesThatLie"},
		{"an answer to a login that is shorter than its head", wire, "size < 0 || ", "", "TestFramesThatLie"},
		{"an answer of any size to a login", wire, " || size > maxAnswer {", " {", "TestFramesThatLie"},
		{"the same, as memory", wire, " || size > maxAnswer {", " {", "FuzzAnswer"},
		{"lines that others write into errors", words, "range strings.Fields(text) {", "range []string{text} {", "TestWordsOfBrokers"},
		{"what steers a terminal or turns a text around, in errors", words, "case !unicode.IsPrint(r):", "case !unicode.IsPrint(r) && r < 0:", "TestWordsOfBrokers"},
		{"what is not UTF-8, in errors", words, "case r == utf8.RuneError && ", "case false && ", "TestWordsOfBrokers"},
		{"the same, said by a broker or its certificate", dialer, "return oneLine(e.Text)", "return e.Text", "TestWordsOf(Brokers|Certificates)"},
		{"the same, said by a token endpoint", dialer, "return oneLine(e.Text + \": \" + cut(e.Err.Error(), mostCause))", "return e.Text + \": \" + e.Err.Error()", "TestWordsOfTokenEndpoints"},
		{"the same, in a broker's name", dialer, "oneLine(cut(e.Address, mostHeard))", "e.Address", "TestWordsOfAddresses"},
		{"the same, where a broker's name is not found", dialer, "tidied(err)", "err", "TestWordsOfAddresses"},
		{"mechanisms and names without end in errors", words, "return cut(strings.Join(names, \", \"), mostHeard)", "return strings.Join(names, \", \")", "TestWordsOf(Brokers|Certificates)"},
		{"a refusal without end in errors", wire, "cut(r.message, mostHeard)", "r.message", "TestWordsOfBrokers"},
		{"a token endpoint's description without end in errors", "internal/login/oauth.go", "cut(strings.TrimSpace(r.ErrorCode+\" \"+r.ErrorDescription), mostHeard)", "strings.TrimSpace(r.ErrorCode+\" \"+r.ErrorDescription)", "TestWordsOfTokenEndpoints"},
	}
}
