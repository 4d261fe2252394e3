// Package kafkatool writes the lines that people are told to run: calls of Kafka's own tools, ready for a shell that has
// them in its path. It runs nothing, and asks no cluster.
package kafkatool

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Line is a call of a tool for the cluster at these addresses.
func Line(brokers []string, tool string, args ...string) string {
	words := append([]string{tool, "--bootstrap-server", strings.Join(brokers, ",")}, args...)
	for i := range words {
		words[i] = Quote(words[i])
	}

	return strings.Join(words, " ")
}

var plain = regexp.MustCompile(`^[a-zA-Z0-9@%+=:,./_-]+$`)

// Quote makes one word of a shell's out of any text.
func Quote(s string) string {
	if plain.MatchString(s) {
		return s
	}

	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Topic is one to make.
type Topic struct {
	Name       string
	Partitions int           // 0: nobody can tell how many are right
	Brokers    int           // how many brokers there are; 0: not known
	Keep       time.Duration // for how long its records are wanted at least; 0: as the brokers have it
	Compacted  bool
}

const (
	// Replicas outlive the loss of one broker and go on taking writes.
	Replicas = 3
	// Keep is Kafka's default: a long weekend and its repair.
	Keep = 7 * 24 * time.Hour

	somePartitions = 12 // divides among many numbers of processes
)

// Create makes a topic as the program wants it.
func Create(brokers []string, t Topic) string {
	if t.Partitions == 0 {
		t.Partitions = somePartitions
	}

	args := []string{"--create", "--topic", t.Name, "--partitions", strconv.Itoa(t.Partitions)}

	replicas := min(Replicas, t.Brokers)
	if replicas > 0 {
		args = append(args, "--replication-factor", strconv.Itoa(replicas))
	}

	if replicas == Replicas {
		args = append(args, "--config", fmt.Sprintf("min.insync.replicas=%d", replicas-1)) // the brokers' default is 1
	}

	switch {
	case t.Compacted:
		args = append(args, "--config", "cleanup.policy=compact")
	case t.Keep > 0:
		args = append(args, "--config", fmt.Sprintf("retention.ms=%d", max(t.Keep, Keep).Milliseconds()))
	}

	return Line(brokers, "kafka-topics.sh", args...)
}

// Alter changes a setting of a topic.
func Alter(brokers []string, topic, key string, value any) string {
	return Line(brokers, "kafka-configs.sh", "--entity-type", "topics", "--entity-name", topic, "--alter", "--add-config", fmt.Sprintf("%s=%v", key, value))
}
