package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// roles is the listener of a cluster with Options.Roles, for those who may do what they were given and no more.
const roles = "ROLES"

// Those who may log in there, by SASL PLAIN with RolePassword. Each is called as the role in docs/security.md but
// Both, which is for a process with two of them.
const (
	Filter = "filter"
	Delay  = "delay"
	Replay = "replay"
	Report = "report"
	Doctor = "doctor"
	Both   = "both"

	RolePassword = "the-password-of-a-role"
)

// rolesProperties make a cluster look at rights. Who comes by the plain listener, as the test and the nodes
// themselves do, may do all.
func rolesProperties() map[string]string {
	var users strings.Builder
	for _, user := range []string{Filter, Delay, Replay, Report, Doctor, Both} {
		fmt.Fprintf(&users, ` user_%s="%s"`, user, RolePassword)
	}
	return map[string]string{
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":           "User:ANONYMOUS",
		"listener.name.roles.sasl.enabled.mechanisms": "PLAIN",
		"listener.name.roles.plain.sasl.jaas.config":  "org.apache.kafka.common.security.plain.PlainLoginModule required" + users.String() + ";",
	}
}

// RoleAddrs are where roles log in, at each of the nodes: a proxy's address, if the nodes have some.
func (c *Cluster) RoleAddrs(tb testing.TB) []string {
	tb.Helper()
	if !c.opts.Proxied {
		return c.AddrsOf(tb, roles)
	}
	addrs := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addrs[i] = n.proxy.Addr()
	}
	return addrs
}

// Right is a line of docs/security.md: an operation on one resource, or on all whose names begin so.
type Right struct {
	Operation string // as kafka-acls.sh calls it: Read, Write, DescribeConfigs
	Kind      string // topic, group, transactional-id or cluster
	Name      string
	Prefixed  bool
}

func (r Right) String() string { return r.Operation + " on " + r.Kind + " " + r.Name }

// Rights are those of a role, by the commands that users are told to run. They are read from the root of the
// module, two directories above the test's.
func Rights(tb testing.TB, role string) []Right {
	tb.Helper()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	require.NoError(tb, err)
	_, rest, ok := strings.Cut(string(doc), "<!-- acls: "+role+" -->\n```sh\n")
	require.True(tb, ok, "docs/security.md has no rights of %s", role)
	block, _, _ := strings.Cut(rest, "```")
	var all []Right
	for line := range strings.Lines(block) {
		words := strings.Fields(line)
		require.Equal(tb, []string{"kafka-acls.sh", "--add", "--allow-principal", "User:" + role, "--operation"}, words[:5])
		r := Right{Operation: words[5], Kind: strings.TrimPrefix(words[6], "--")}
		if r.Kind == "cluster" { // there is one, and the command wants no name for it
			words = append(words, "kafka-cluster")
		}
		r.Name = words[7]
		if len(words) > 8 { //nolint:mnd // what comes after the name
			require.Equal(tb, []string{"--resource-pattern-type", "prefixed"}, words[8:])
			r.Prefixed = true
		}
		all = append(all, r)
	}
	require.NotEmpty(tb, all)
	return all
}

// Names are what a test calls the resources of docs/security.md, where it calls them otherwise. One that it does not
// have stands for none.
type Names map[string][]string

// Give gives a user the rights of a role, on the resources that names says; nil: on those of the document. When it
// returns, every node that runs goes by them.
func (c *Cluster) Give(tb testing.TB, user, role string, names Names) {
	tb.Helper()
	var rights []Right
	for _, right := range Rights(tb, role) {
		if names == nil {
			rights = append(rights, right)
			continue
		}
		require.Contains(tb, names, right.Name, "the test does not say what it has for it")
		for _, name := range names[right.Name] {
			right.Name = name
			rights = append(rights, right)
		}
	}
	c.set(tb, user, kmsg.ACLPermissionTypeAllow, true, rights...)
}

// Allow gives a right.
func (c *Cluster) Allow(tb testing.TB, user string, right Right) {
	tb.Helper()
	c.set(tb, user, kmsg.ACLPermissionTypeAllow, true, right)
}

// Disallow takes back a right that Allow or Give gave.
func (c *Cluster) Disallow(tb testing.TB, user string, right Right) {
	tb.Helper()
	c.set(tb, user, kmsg.ACLPermissionTypeAllow, false, right)
}

// Deny forbids what some right may allow, until the function that it returns is called.
func (c *Cluster) Deny(tb testing.TB, user string, right Right) (end func()) {
	tb.Helper()
	c.set(tb, user, kmsg.ACLPermissionTypeDeny, true, right)
	return func() {
		tb.Helper()
		c.set(tb, user, kmsg.ACLPermissionTypeDeny, false, right)
	}
}

// set makes entries or deletes them, and waits until that is known to all.
func (c *Cluster) set(tb testing.TB, user string, permission kmsg.ACLPermissionType, there bool, rights ...Right) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), toolTime)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	require.NoError(tb, err)
	defer client.Close()
	for _, right := range rights {
		e, err := entryOf(user, right, permission)
		require.NoError(tb, err)
		change := e.create
		if !there {
			change = e.delete
		}
		require.NoError(tb, change(ctx, client))
		for i, node := range client.SeedBrokers() {
			if c.nodes[i].running() {
				require.NoError(tb, e.await(ctx, node, there))
			}
		}
	}
}

// entry is one of an access control list.
type entry struct {
	kind       kmsg.ACLResourceType
	name       string
	pattern    kmsg.ACLResourcePatternType
	principal  string
	operation  kmsg.ACLOperation
	permission kmsg.ACLPermissionType
}

const everyHost = "*"

func entryOf(user string, right Right, permission kmsg.ACLPermissionType) (entry, error) {
	e := entry{name: right.Name, pattern: kmsg.ACLResourcePatternTypeLiteral, principal: "User:" + user, permission: permission}
	if right.Prefixed {
		e.pattern = kmsg.ACLResourcePatternTypePrefixed
	}
	var err error
	if e.kind, err = kmsg.ParseACLResourceType(right.Kind); err != nil {
		return e, fmt.Errorf("%s: %w", right, err)
	}
	if e.operation, err = kmsg.ParseACLOperation(right.Operation); err != nil {
		return e, fmt.Errorf("%s: %w", right, err)
	}
	return e, nil
}

func (e entry) create(ctx context.Context, client kmsg.Requestor) error {
	req := kmsg.NewPtrCreateACLsRequest()
	req.Creations = []kmsg.CreateACLsRequestCreation{{
		ResourceType: e.kind, ResourceName: e.name, ResourcePatternType: e.pattern,
		Principal: e.principal, Host: everyHost, Operation: e.operation, PermissionType: e.permission,
	}}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("create ACL: %w", err)
	}
	for _, r := range resp.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("create ACL: %w: %s", err, message(r.ErrorMessage))
		}
	}
	return nil
}

func (e entry) delete(ctx context.Context, client kmsg.Requestor) error {
	host := everyHost
	req := kmsg.NewPtrDeleteACLsRequest()
	req.Filters = []kmsg.DeleteACLsRequestFilter{{
		ResourceType: e.kind, ResourceName: &e.name, ResourcePatternType: e.pattern,
		Principal: &e.principal, Host: &host, Operation: e.operation, PermissionType: e.permission,
	}}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("delete ACL: %w", err)
	}
	for _, r := range resp.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("delete ACL: %w: %s", err, message(r.ErrorMessage))
		}
		if len(r.MatchingACLs) != 1 {
			return fmt.Errorf("delete ACL: %d match %+v", len(r.MatchingACLs), e) //nolint:err113 // a test fails with it
		}
	}
	return nil
}

// await polls a node until it has the entry, or has it no more.
func (e entry) await(ctx context.Context, node kmsg.Requestor, there bool) error {
	host := everyHost
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourceName, req.ResourcePatternType = e.kind, &e.name, e.pattern
	req.Principal, req.Host, req.Operation, req.PermissionType = &e.principal, &host, e.operation, e.permission
	tick := time.NewTicker(pollEvery / 10) //nolint:mnd // it takes some milliseconds
	defer tick.Stop()
	for {
		resp, err := req.RequestWith(ctx, node)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err == nil && len(resp.Resources) > 0 == there {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for ACL %+v: %w", e, errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}
