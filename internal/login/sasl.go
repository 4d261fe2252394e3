package login

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/callstream/enricher/internal/config"
)

// mechanism is the configured one; nil if there is none.
func mechanism(k config.Kafka) (sasl.Mechanism, error) {
	s := k.SASL
	switch s.Mechanism {
	case config.NoLogin, "": // the latter in a configuration made in code
		return nil, nil //nolint:nilnil // no login is no error
	case config.Plain, config.ScramSHA256, config.ScramSHA512:
		return &passwordMechanism{
			name: strings.ToUpper(string(s.Mechanism)), username: s.Username,
			password: secret{value: string(s.Password), file: s.PasswordFile, key: "kafka.sasl.password_file"},
		}, nil
	case config.OAuthBearer:
		return newOAuth(s, k.TLS.CAFile), nil
	case config.AWSMSKIAM:
		return &awsMechanism{region: s.AWSRegion}, nil
	}
	return nil, fmt.Errorf("kafka.sasl.mechanism: %w: %q", errMechanism, s.Mechanism)
}

var errMechanism = errors.New("is not known")

// passwordMechanism is PLAIN or SCRAM with the password of the moment.
type passwordMechanism struct {
	name     string
	username string
	password secret
}

// Name is the one that brokers know.
func (m *passwordMechanism) Name() string { return m.name }

var errUnfit = errors.New("user name or password cannot be used: SCRAM takes no control characters and no text that mixes directions (RFC 4013)")

// Start reads the password and begins.
func (m *passwordMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	password, err := m.password.read()
	if err != nil {
		return nil, nil, err
	}
	var of sasl.Mechanism = plain.Mechanism{Username: m.username, Password: password}
	if m.name != of.Name() {
		algorithm := scram.SHA256
		if m.name == scram.SHA512.Name() {
			algorithm = scram.SHA512
		}
		if of, err = scram.Mechanism(algorithm, m.username, password); err != nil {
			return nil, nil, errUnfit // the cause tells of the password's characters
		}
	}
	return of.Start(ctx) //nolint:wrapcheck // the caller says which mechanism
}

// secret is a value, or the file that has it.
type secret struct{ value, file, key string }

var errEmpty = errors.New("is empty")

// read is the value of the moment.
func (s secret) read() (string, error) {
	if s.file == "" {
		return s.value, nil
	}
	value, err := config.ReadSecret(s.file)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", s.key, err)
	case value == "":
		return "", fmt.Errorf("%s: %s %w", s.key, s.file, errEmpty)
	}
	return value, nil
}
