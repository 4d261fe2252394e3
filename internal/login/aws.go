package login

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/aws_msk_iam_v2"
)

// awsMechanism is AWS_MSK_IAM, with the credentials that AWS programs find: environment, shared files, a
// web identity, the container's or the machine's role.
//
// The SDK fetches anew what says when it ends, and keeps it until then. What does not say so (keys in the shared files)
// it would keep for ever. So environment and files are read at each login, which is cheap beside one. What the SDK keeps
// is given up only if they say something else than at the last login, or if a broker refuses it: else the service that
// gives out roles would be asked for each connection.
type awsMechanism struct {
	region string

	mu      sync.Mutex
	of      *aws_msk_iam_v2.Mechanism // nil: there is none to use again
	sources []any                     // what environment and files said when it was made
}

// Name is the one that brokers know.
func (*awsMechanism) Name() string { return "AWS_MSK_IAM" }

var errRegion = errors.New("no region: set kafka.sasl.aws_region or AWS_REGION")

// Start signs a request for the broker's host.
func (m *awsMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	of, err := m.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	if _, err := of.Credentials.Retrieve(ctx); err != nil {
		return nil, nil, fmt.Errorf("no AWS credentials (environment, shared files, web identity and role were tried): %w", err)
	}
	session, text, err := of.Start(ctx)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // the caller says which mechanism
	}
	return &awsSession{session, func() { m.drop(of) }}, text, nil
}

// awsSession is a login that knows what it is made of.
type awsSession struct {
	sasl.StateMachine

	drop func()
}

// refused says that the credentials are, so that they are not used again: those of a role may be revoked before
// their end, and a process may give some without one.
func (s *awsSession) refused() { s.drop() }

// drop forgets a mechanism, and the credentials that it keeps, unless another one has taken its place.
func (m *awsMechanism) drop(of *aws_msk_iam_v2.Mechanism) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == of {
		m.of = nil
	}
}

func (m *awsMechanism) load(ctx context.Context) (*aws_msk_iam_v2.Mechanism, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var options []func(*awsconfig.LoadOptions) error
	if m.region != "" {
		options = append(options, awsconfig.WithRegion(m.region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	case cfg.Region == "":
		return nil, errRegion
	}
	if m.of == nil || !reflect.DeepEqual(cfg.ConfigSources, m.sources) {
		m.of, m.sources = aws_msk_iam_v2.NewMechanism(cfg), cfg.ConfigSources
	}
	return m.of, nil
}
