//go:build image && linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"
)

// start runs what is in an image: under runc, as a cluster does, and in a bare chroot, which is less and needs only root.
func start(t *testing.T, config *v1.ConfigFile, rootfs string) {
	t.Helper()
	t.Run("chroot", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("SKIPPED: chroot needs root")
		}
		try(t, config, func(args ...string) *exec.Cmd { return inChroot(t, config, rootfs, args) })
	})
	t.Run("runc", func(t *testing.T) {
		if reason := noRunc(t); reason != "" {
			require.Empty(t, os.Getenv("IMAGE_RUNC"), "IMAGE_RUNC is set, and runc cannot be used: %s", reason)
			t.Skip("SKIPPED: " + reason)
		}
		try(t, config, func(args ...string) *exec.Cmd { return inRunc(t, config, rootfs, args) })
	})
}

// try asks the started program who it is, and lets it do its work once.
func try(t *testing.T, config *v1.ConfigFile, command func(args ...string) *exec.Cmd) {
	t.Helper()
	var who struct {
		Version  string `json:"version"`
		Commit   string `json:"commit"`
		Platform string `json:"platform"`
	}
	require.NoError(t, json.Unmarshal(output(t, command("version", "-o", "json"), ""), &who))
	require.Equal(t, config.Config.Labels["org.opencontainers.image.version"], who.Version)
	require.Equal(t, config.Config.Labels["org.opencontainers.image.revision"], who.Commit)
	require.Equal(t, "linux/"+config.Architecture, who.Platform)

	out := output(t, command("pipe"), `{"HangupCauseCode":"3010","Direction":"outbound"}`+"\n")
	require.Contains(t, string(out), `"name":"Busy Line"`)
}

func output(t *testing.T, cmd *exec.Cmd, stdin string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	require.NoError(t, cmd.Run(), errs.String())

	return out.Bytes()
}

func inChroot(t *testing.T, config *v1.ConfigFile, rootfs string, args []string) *exec.Cmd {
	t.Helper()
	uid, gid := user(t, config)
	require.NoError(t, reachable(rootfs))
	cmd := exec.CommandContext(t.Context(), config.Config.Entrypoint[0], append(config.Config.Entrypoint[1:], args...)...)
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: rootfs, Credential: &syscall.Credential{Uid: uid, Gid: gid}}

	return cmd
}

// reachable lets another user through the directories above, which are the test's own.
func reachable(dir string) error {
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			return err
		}
	}

	return nil
}

// noRunc says why runc cannot be used here.
func noRunc(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		return "runc needs root here"
	}
	if _, err := exec.LookPath("runc"); err != nil {
		return "runc is not installed (Debian's package runc)"
	}
	probe := exec.CommandContext(t.Context(), "true")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET}
	if err := probe.Run(); err != nil {
		return "this machine makes no namespaces: " + err.Error()
	}

	return ""
}

// inRunc makes a bundle of the image's configuration and of what the Helm chart's security context asks for: no
// capabilities, no new privileges, a read-only root.
func inRunc(t *testing.T, config *v1.ConfigFile, rootfs string, args []string) *exec.Cmd {
	t.Helper()
	uid, gid := user(t, config)
	none := []string{}
	namespaces := []map[string]string{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}}
	spec := map[string]any{
		"ociVersion": "1.0.2",
		"process": map[string]any{
			"user":            map[string]any{"uid": uid, "gid": gid},
			"args":            append(append([]string{}, config.Config.Entrypoint...), args...),
			"env":             append([]string{"HOME=/"}, config.Config.Env...),
			"cwd":             config.Config.WorkingDir,
			"noNewPrivileges": true,
			"capabilities":    map[string]any{"bounding": none, "effective": none, "permitted": none},
		},
		"root": map[string]any{"path": rootfs, "readonly": true},
		"mounts": []map[string]any{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755", "size=64k"}},
		},
		"linux": map[string]any{"namespaces": namespaces},
	}
	text, err := json.Marshal(spec)
	require.NoError(t, err)
	bundle := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600))

	return exec.CommandContext(t.Context(), "runc", "--root", filepath.Join(bundle, "state"), "run", "--bundle", bundle,
		"enricher-test-"+strconv.Itoa(os.Getpid())+"-"+args[0])
}

// user is who the image says it runs as.
func user(t *testing.T, config *v1.ConfigFile) (uid, gid uint32) {
	t.Helper()
	u, g, _ := strings.Cut(config.Config.User, ":")
	numbers := make([]uint32, 0, 2)
	for _, text := range []string{u, g} {
		n, err := strconv.ParseUint(text, 10, 32)
		require.NoError(t, err)
		numbers = append(numbers, uint32(n))
	}

	return numbers[0], numbers[1]
}
