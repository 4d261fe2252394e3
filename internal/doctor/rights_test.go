package doctor_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/doctor"
)

func allow(on kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
	return kfake.ACL{Resource: on, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
}

// rights are all that the filter needs, and no more.
func rights() []kfake.ACL {
	all := []kfake.ACL{
		allow(kmsg.ACLResourceTypeTopic, "calls.raw", kmsg.ACLOperationRead),
		allow(kmsg.ACLResourceTypeGroup, "enricher", kmsg.ACLOperationRead),
		allow(kmsg.ACLResourceTypeTransactionalId, "enricher/filter/one", kmsg.ACLOperationWrite),
		allow(kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLOperationDescribe),
		allow(kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLOperationDescribeConfigs),
		allow(kmsg.ACLResourceTypeTopic, "__consumer_offsets", kmsg.ACLOperationDescribe),
		allow(kmsg.ACLResourceTypeTopic, "__transaction_state", kmsg.ACLOperationDescribe),
		// For what happened before on the cluster.
		allow(kmsg.ACLResourceTypeTransactionalId, "somebody", kmsg.ACLOperationWrite),
	}
	for _, topic := range (&site{}).topics() {
		all = append(all, allow(kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationDescribeConfigs))

		if topic != "calls.raw" {
			all = append(all, allow(kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationWrite))
		}
	}

	return all
}

// closed is a cluster that asks its ACLs. Who has no login is the user ANONYMOUS.
func closed(t *testing.T, acls []kfake.ACL) (*kfake.Cluster, *site) {
	t.Helper()

	c, s := fake(t, kfake.EnableACLs(), kfake.User("PLAIN", "ANONYMOUS", "", acls...),
		kfake.SeedTopics(2, "__consumer_offsets", "__transaction_state"), kfake.BrokerConfigs(map[string]string{"min.insync.replicas": "2"}))

	return c, s
}

func TestRightsAreEnough(t *testing.T) {
	t.Parallel()

	_, s := closed(t, rights())
	r := s.run()

	for _, c := range r.Checks {
		if c.Check == "rights" {
			require.Equal(t, doctor.OK, c.Status, list(r))
		}
	}

	require.NotEqual(t, doctor.Problem, r.Status, list(r))
}

// Each right that is missing is found, with the command that gives it.
func TestRightsThatAreMissing(t *testing.T) {
	t.Parallel()

	tests := []struct {
		on              kmsg.ACLResourceType
		name            string
		op              kmsg.ACLOperation
		check, about    string
		status          doctor.Status
		operation, mend string
	}{
		{kmsg.ACLResourceTypeTopic, "calls.raw", kmsg.ACLOperationRead, "topic", "calls.raw", doctor.Problem, "may not see it", "--operation Read --operation Describe --operation DescribeConfigs --topic calls.raw"},
		{kmsg.ACLResourceTypeTopic, "calls.raw", kmsg.ACLOperationDescribeConfigs, "rights", "calls.raw", doctor.Warning, "lacks DescribeConfigs", "--operation DescribeConfigs --topic calls.raw"},
		{kmsg.ACLResourceTypeTopic, "calls.enriched", kmsg.ACLOperationWrite, "topic", "calls.enriched", doctor.Problem, "may not see it", "--operation Write"},
		{kmsg.ACLResourceTypeTopic, "calls.dead", kmsg.ACLOperationDescribeConfigs, "settings", "calls.dead", doctor.NotChecked, "cannot be read", "--operation DescribeConfigs --topic calls.dead"},
		{kmsg.ACLResourceTypeGroup, "enricher", kmsg.ACLOperationRead, "rights", "enricher (group)", doctor.Problem, "lacks Read", "--operation Read --group enricher"},
		{kmsg.ACLResourceTypeGroup, "enricher", kmsg.ACLOperationRead, "lag", "enricher (group)", doctor.NotChecked, "read the committed offsets", ""},
		{kmsg.ACLResourceTypeTransactionalId, "enricher/filter/one", kmsg.ACLOperationWrite, "rights", "enricher/filter/one", doctor.Problem, "lacks Write, Describe", "--transactional-id enricher/filter/ --resource-pattern-type prefixed"},
		{kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLOperationDescribeConfigs, "session timeout", "", doctor.NotChecked, "cannot be read", "--operation DescribeConfigs --cluster"},
		{kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLOperationDescribeConfigs, "transaction timeout", "", doctor.NotChecked, "cannot be read", "--cluster"},
		{kmsg.ACLResourceTypeTopic, "__consumer_offsets", kmsg.ACLOperationDescribe, "replicas", "__consumer_offsets", doctor.NotChecked, "TOPIC_AUTHORIZATION_FAILED", "--operation Describe --topic __consumer_offsets"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %s %s", test.op, test.name, test.check), func(t *testing.T) {
			t.Parallel()

			acls := rights()
			n := len(acls)
			acls = slices.DeleteFunc(acls, func(a kfake.ACL) bool { return a.Resource == test.on && a.Name == test.name && a.Operation == test.op })
			require.Len(t, acls, n-1)

			_, s := closed(t, acls)
			r := s.run()
			check := find(t, r, test.check, test.about)
			require.Equal(t, test.status, check.Status, list(r))
			require.Contains(t, check.Found, test.operation)

			if test.mend != "" {
				require.Contains(t, check.Fix[0], "--allow-principal User:ANONYMOUS")
				require.Contains(t, check.Fix[0], test.mend)
			}
		})
	}
}

// What a user may see and not write is another line than what it may not see.
func TestSeenAndNotWritten(t *testing.T) {
	t.Parallel()

	acls := slices.DeleteFunc(rights(), func(a kfake.ACL) bool { return a.Name == "calls.enriched" && a.Operation == kmsg.ACLOperationWrite })
	_, s := closed(t, append(acls, allow(kmsg.ACLResourceTypeTopic, "calls.enriched", kmsg.ACLOperationDescribe)))
	check := find(t, s.run(), "rights", "calls.enriched")
	require.Equal(t, doctor.Problem, check.Status)
	require.Equal(t, "lacks Write", check.Found)
}

func TestCreateTopicsWithoutTheRight(t *testing.T) {
	t.Parallel()

	acls := append(rights(), allow(kmsg.ACLResourceTypeTopic, "calls.new", kmsg.ACLOperationDescribe))
	_, s := closed(t, acls)
	s.cfg.Kafka.CreateTopics, s.cfg.DeadLetter.Topic = true, "calls.new"
	check := find(t, s.run(), "topic", "calls.new")
	require.Equal(t, doctor.Problem, check.Status, check.Found)
	require.Contains(t, check.Found, "lacks Create")
	require.Contains(t, check.Fix[2], "--operation Create --topic calls.new")
}

// at_least_once needs an idempotent producer and no transaction.
func TestIdempotence(t *testing.T) {
	t.Parallel()

	_, s := closed(t, rights())
	s.cfg.Delivery = config.AtLeastOnce
	r := s.run()
	require.Equal(t, doctor.OK, find(t, r, "rights", "cluster").Status)
	require.NotContains(t, list(r), "transactional id")

	acls := slices.DeleteFunc(rights(), func(a kfake.ACL) bool {
		return a.Resource == kmsg.ACLResourceTypeTopic && a.Operation == kmsg.ACLOperationWrite
	})
	_, s = closed(t, acls)
	s.cfg.Delivery = config.AtLeastOnce
	check := find(t, s.run(), "rights", "cluster")
	require.Equal(t, doctor.Problem, check.Status, check.Found)
	require.Contains(t, check.Fix[0], "--operation IdempotentWrite --cluster")

	_, s = closed(t, append(acls, allow(kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLOperationIdempotentWrite)))
	s.cfg.Delivery = config.AtLeastOnce
	require.Equal(t, "IdempotentWrite", find(t, s.run(), "rights", "cluster").Found)
}

// Of two brokers that do not tell their settings, the one that refuses them says what is to be done.
func TestOneBrokerRefusesItsSettings(t *testing.T) {
	t.Parallel()

	c, s := good(t)
	c.ControlKey(int16(kmsg.DescribeConfigs), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		req, ok := kreq.(*kmsg.DescribeConfigsRequest)
		require.True(t, ok)

		about := req.Resources[0]

		switch {
		case about.ResourceType != kmsg.ConfigResourceTypeBroker:
			return nil, nil, false
		case about.ResourceName != "0":
			return nil, errors.New("the connection breaks"), true
		}

		resp, _ := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ResourceType, r.ResourceName, r.ErrorCode = about.ResourceType, about.ResourceName, kerr.ClusterAuthorizationFailed.Code
		resp.Resources = append(resp.Resources, r)

		return resp, nil, true
	})

	check := find(t, s.run(), "session timeout", "")
	require.Equal(t, doctor.NotChecked, check.Status)
	require.Contains(t, check.Found, "CLUSTER_AUTHORIZATION_FAILED")
	require.Contains(t, check.Fix[0], "--operation DescribeConfigs --cluster")
}
