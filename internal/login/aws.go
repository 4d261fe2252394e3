package login

import (
	"context"
	"errors"
	"fmt"
	"sync"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/aws_msk_iam_v2"
)

// awsMechanism is AWS_MSK_IAM, with the credentials that AWS programs find: environment, shared files, a
// web identity, the container's or the machine's role. The SDK keeps them fresh.
type awsMechanism struct {
	region string

	mu sync.Mutex
	of *aws_msk_iam_v2.Mechanism // nil: the SDK's configuration has not been read
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
	return of.Start(ctx) //nolint:wrapcheck // the caller says which mechanism
}

func (m *awsMechanism) load(ctx context.Context) (*aws_msk_iam_v2.Mechanism, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of != nil {
		return m.of, nil
	}
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
	m.of = aws_msk_iam_v2.NewMechanism(cfg)
	return m.of, nil
}
