// Package harness will be filled with the next steps.
package harness

import (
	_ "github.com/tidwall/gjson"
	_ "github.com/twmb/franz-go/pkg/kgo"
	_ "github.com/twmb/franz-go/pkg/kmsg"
	_ "golang.org/x/sys/unix"

	_ "github.com/callstream/enricher/internal/kafkatest"
	_ "github.com/callstream/enricher/pkg/enrich"
)
