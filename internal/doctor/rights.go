package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// needed are the operations that a role wants allowed, as kafka-acls.sh names them. The right to
// describe comes with each of them; that to describe configurations does not.
func needed(r Role) []string {
	var ops []string

	if r.reads() {
		ops = append(ops, "Read")
	}

	if r.writes() {
		ops = append(ops, "Write")
	}

	return append(ops, "Describe", "DescribeConfigs")
}

// rights reads what the broker tells of this user and a topic.
func (d *doctor) rights(s Subject, t *topicFacts) {
	if !t.operations.told() {
		d.note(NotChecked, "rights", s.String(), "the broker does not tell what this user may do")

		return
	}

	var lacks []string

	for _, name := range needed(s.Role) {
		if !t.operations.allow(operation(name)) {
			lacks = append(lacks, name)
		}
	}

	switch {
	case len(lacks) == 0:
		d.note(OK, "rights", s.String(), "%s", strings.Join(needed(s.Role), ", "))
	case len(lacks) == 1 && lacks[0] == "DescribeConfigs":
		d.note(Warning, "rights", s.String(), "lacks DescribeConfigs: the filter takes max.message.bytes to be the default, 1048588").
			mend(d.allow(lacks, "--topic", s.Topic))
	default:
		d.note(Problem, "rights", s.String(), "lacks %s", strings.Join(lacks, ", ")).mend(d.allow(lacks, "--topic", s.Topic))
	}
}

func operation(name string) kmsg.ACLOperation {
	switch name {
	case "Read":
		return kmsg.ACLOperationRead
	case "Write":
		return kmsg.ACLOperationWrite
	case "DescribeConfigs":
		return kmsg.ACLOperationDescribeConfigs
	default:
		return kmsg.ACLOperationDescribe
	}
}

// group asks what this user may do with a consumer group, and who is in it.
func (d *doctor) group(ctx context.Context, name string) {
	if !d.coordinates(ctx, offsetsTopic, d.anyGroup) {
		d.note(NotChecked, "rights", name+" (group)", "the cluster has had no group yet, and asking would make it create %s", offsetsTopic)

		return
	}

	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups, req.IncludeAuthorizedOperations = []string{name}, true

	resp, err := req.RequestWith(ctx, d.client)
	if err == nil && len(resp.Groups) == 1 {
		err = kerr.ErrorForCode(resp.Groups[0].ErrorCode)
	}

	allow := d.allow([]string{"Read"}, "--group", name)

	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		d.note(Problem, "rights", name+" (group)", "lacks Read: this user may not even see the group").mend(allow)
	case err != nil || len(resp.Groups) != 1:
		d.note(NotChecked, "rights", name+" (group)", "describe the group: %v", err)
	case !operations(resp.Groups[0].AuthorizedOperations).told():
		d.note(NotChecked, "rights", name+" (group)", "the broker does not tell what this user may do")
	case !operations(resp.Groups[0].AuthorizedOperations).allow(kmsg.ACLOperationRead):
		d.note(Problem, "rights", name+" (group)", "lacks Read: the filter may not join the group or commit to it").mend(allow)
	default:
		d.note(OK, "rights", name+" (group)", "Read, Describe")
	}

	if err == nil && len(resp.Groups) == 1 {
		d.members(&resp.Groups[0])
	}
}

// members says who is in the group: another kind of program cannot share it.
func (d *doctor) members(g *kmsg.DescribeGroupsResponseGroup) {
	on := g.Group + " (group)"

	switch {
	case len(g.Members) == 0:
		d.note(OK, "members", on, "none at the moment")
	case g.ProtocolType != "consumer":
		d.note(Problem, "members", on, "%d of type %q: they are no consumers, and the filter cannot join them", len(g.Members), g.ProtocolType).
			mend("# give the filter a group of its own: input.group")
	default:
		d.note(OK, "members", on, "%d, %s", len(g.Members), strings.ToLower(g.State))
	}
}

// coordinates tells whether the brokers have the internal topic behind a kind of coordinator. Asking
// for a coordinator would make them create it. Where the topic cannot be seen (other brokers than
// Apache's have none of that name), that somebody uses such a coordinator says as much.
func (d *doctor) coordinates(ctx context.Context, internalTopic string, used func(context.Context) bool) bool {
	if t := d.topics[internalTopic]; t != nil && !errors.Is(t.err, kerr.UnknownTopicOrPartition) {
		return true // it is there, or may not be seen by this user: then nothing is known against it
	}

	return used(ctx)
}

func (d *doctor) anyGroup(ctx context.Context) bool {
	groups, err := d.adm.ListGroups(ctx)

	return err == nil && len(groups) > 0
}

func (d *doctor) anyTransaction(ctx context.Context) bool {
	ids, err := d.adm.ListTransactions(ctx, nil, nil)

	return err == nil && len(ids) > 0
}

// sessionTimeout compares limits.session_timeout with what the brokers let a member ask for.
func (d *doctor) sessionTimeout() {
	const check, on = "session timeout", "limits.session_timeout"

	_, least, ok1 := d.brokerNumber("group.min.session.timeout.ms")
	greatest, _, ok2 := d.brokerNumber("group.max.session.timeout.ms")
	asked := d.cfg.Limits.SessionTimeout.Milliseconds()

	switch {
	case !ok1 || !ok2:
		d.unreadable(check, on)
	case asked < least || asked > greatest:
		d.note(Problem, check, on, "%s, and the brokers take %s to %s: joining the group fails", span(d.cfg.Limits.SessionTimeout), spanOrEver(least), spanOrEver(greatest)).
			mend("# in the configuration: limits: {session_timeout: "+spanOrEver(min(max(asked, least), greatest))+"}",
				"# or in each broker's server.properties: group.min.session.timeout.ms, group.max.session.timeout.ms")
	default:
		d.note(OK, check, on, "%s, the brokers take %s to %s", span(d.cfg.Limits.SessionTimeout), spanOrEver(least), spanOrEver(greatest))
	}
}

// unreadable says that a check wants the brokers' settings.
func (d *doctor) unreadable(check, on string) {
	if d.denied == nil {
		d.note(NotChecked, check, on, "the brokers do not tell it")

		return
	}

	d.note(NotChecked, check, on, "the brokers' settings cannot be read: %v", d.denied).
		mend(d.allowSettings(d.denied, "--cluster")...)
}

// allowSettings lets this user read settings, if that is what was wrong: a connection that died is not mended by a right.
func (d *doctor) allowSettings(err error, on ...string) []string {
	if !refused(err) {
		return nil
	}

	return []string{d.allow([]string{"DescribeConfigs"}, on...)}
}

// refused tells whether it is a right that lacks.
func refused(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed)
}
