package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// openPTY gives the two ends of a new terminal of 80 columns.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine gives no terminal, so keys are tested by the editor's own tests only: %v", err)
	}
	var number, unlock int32
	ioctl(t, master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	ioctl(t, master, syscall.TIOCGPTN, unsafe.Pointer(&number))
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine gives no terminal, so keys are tested by the editor's own tests only: %v", err)
	}
	size := [4]uint16{24, 80}
	ioctl(t, slave, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	t.Cleanup(func() { master.Close(); slave.Close() })
	return master, slave
}

func ioctl(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		t.Fatalf("ioctl %#x: %v", request, errno)
	}
}

// sitter is parley at a terminal of its own, and a person who types and reads.
type sitter struct {
	*testing.T
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File

	mu     sync.Mutex
	more   *sync.Cond
	screen []byte
	from   int // what is before has been looked at
}

// sit starts line mode. There is no colour, so that screens can be compared.
func sit(t *testing.T, home string, servers []string) *sitter {
	t.Helper()
	s := &sitter{T: t}
	s.more = sync.NewCond(&s.mu)
	s.master, s.slave = openPTY(t)
	s.cmd = parley(t, home, servers)
	s.cmd.Env = append(s.cmd.Env, "NO_COLOR=1")
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.slave, s.slave, s.slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	go s.read()
	return s
}

func (s *sitter) read() {
	buf := make([]byte, 4096)
	for {
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.screen = append(s.screen, buf[:n]...)
		s.mu.Unlock()
		s.more.Broadcast()
		if err != nil {
			return
		}
	}
}

func (s *sitter) press(keys string) {
	s.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.Fatal(err)
	}
}

// see waits until the screen got something that ends with text, and gives all since the last look.
func (s *sitter) see(text string) string {
	s.Helper()
	late := time.AfterFunc(20*time.Second, s.more.Broadcast)
	defer late.Stop()
	begun := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		news := s.screen[s.from:]
		if i := bytes.Index(news, []byte(text)); i >= 0 {
			seen := string(news[:i+len(text)])
			s.from += len(seen)
			return seen
		}
		if time.Since(begun) > 19*time.Second {
			s.Fatalf("never saw %q, but\n%q", text, news)
		}
		s.more.Wait()
	}
}

// exits waits for the end, and gives the rest of the screen.
func (s *sitter) exits(want int) string {
	s.Helper()
	s.cmd.Wait()
	if got := s.cmd.ProcessState.ExitCode(); got != want {
		s.Errorf("exit %d, want %d", got, want)
	}
	return s.see("\x1b[?2004l")
}

// room is a server with two people on it: ada sits at a terminal, bob uses commands.
type room struct {
	*testing.T
	servers *servers
	dir     string
	ada     *sitter
}

func newRoom(t *testing.T, open bool) *room {
	t.Helper()
	t.Parallel()
	r := &room{T: t, dir: t.TempDir()}
	var err error
	if r.servers, err = startServers(t.TempDir(), 1, open, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.servers.stop)
	return r
}

func (r *room) bob(args ...string) string {
	r.Helper()
	cmd := parley(r, filepath.Join(r.dir, "bob"), r.servers.addresses(), args...)
	cmd.Stderr = &logWriter{r.T}
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("parley %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// enter brings ada to her prompt, with bob as the recipient.
func (r *room) enter() {
	r.Helper()
	r.bob("signup", "bob")
	r.ada = sit(r.T, filepath.Join(r.dir, "ada"), r.servers.addresses())
	r.ada.see(askDoor)
	r.ada.press("1|ada\r")
	want := "1|ada\r\n" + signupDone + "\r\n" + commands + "\r\n"
	if got := r.ada.see(commands + "\r\n"); got != want {
		r.Errorf("signing up shows %q, want %q", got, want)
	}
	r.ada.press("@bob\r")
	r.ada.see("[@bob] ")
}

func (r *room) want(what, got, want string) {
	r.Helper()
	if got != want {
		r.Errorf("%s shows\n     %q\nwant %q", what, got, want)
	}
}

// What arrives is printed above the line being typed, which stays as it is: golden bytes.
func TestTerminalPrintsAbove(t *testing.T) {
	r := newRoom(t, true)
	r.enter()
	r.ada.press("how 世界")
	r.ada.see("how 世界")
	r.bob("send", "ada", "hi\nthere")
	r.want("an incoming message", r.ada.see("[@bob] how 世界"), "\r\x1b[JR[bob] hi\r\n    there\r\n[@bob] how 世界")
	r.ada.press("\x1b[D") // one to the left: the rest stays right of the cursor
	r.ada.see("\r\x1b[13C")
	r.bob("send", "ada", "again")
	r.want("the next one", r.ada.see("\x1b[13C"), "\r\x1b[JR[bob] again\r\n[@bob] how 世界\r\x1b[13C")
	r.ada.press("!\r")
	r.ada.see("S[bob] how 世!界\r\n")
	if got := r.bob("read"); got != "R[ada] how 世!界\n" {
		t.Errorf("bob got %q", got)
	}
}

// Ctrl+C clears a line, and logs out on an empty one; then the terminal prints nothing, whoever
// writes (T9, C31, C38, C39); at the first prompt it quits.
func TestT9TerminalAfterLogout(t *testing.T) {
	r := newRoom(t, true)
	r.enter()
	r.ada.press("xyz")
	r.ada.see("xyz")
	r.ada.press("\x03")
	r.want("Ctrl+C in a line", r.ada.see("\x1b[J"), "\r\x1b[7C\x1b[J")
	r.ada.press("\x03")
	r.want("Ctrl+C on an empty line", r.ada.see(askDoor), "\r\n"+logoutDone+"\r\n"+askDoor)
	r.bob("send", "ada", "are you there?")
	r.ada.press("x\r")
	r.want("a terminal that is logged out", r.ada.see(askDoor), "x\r\n"+invalidInput+"\r\n"+askDoor)
	r.ada.press("\x03")
	r.want("Ctrl+C at the first prompt", r.ada.exits(exitInterrupted), "\r\n\x1b[?2004l")
}

// Ctrl+D on an empty line quits and leaves the device logged in.
func TestTerminalCtrlD(t *testing.T) {
	r := newRoom(t, true)
	r.enter()
	r.ada.press("\x04")
	r.want("Ctrl+D", r.ada.exits(exitOK), "\r\n\x1b[?2004l")
	r.ada = sit(t, filepath.Join(r.dir, "ada"), r.servers.addresses())
	r.want("the next life", r.ada.see(commands+"\r\n"), "\x1b[?2004h-- logged in as ada\r\n"+commands+"\r\n")
	r.bob("send", "ada", "good morning")
	r.ada.see("R[bob] good morning\r\n")
}

// SIGTERM and SIGHUP leave at once, with the terminal as it was.
func TestTerminalSignals(t *testing.T) {
	r := newRoom(t, true)
	r.enter()
	var before, after syscall.Termios
	fresh, _ := openPTY(t)
	ioctl(t, fresh, syscall.TCGETS, unsafe.Pointer(&before))
	r.ada.press("unfinished")
	r.ada.see("unfinished")
	r.ada.cmd.Process.Signal(syscall.SIGTERM)
	r.ada.exits(exitOK)
	ioctl(t, r.ada.slave, syscall.TCGETS, unsafe.Pointer(&after))
	if before != after {
		t.Errorf("the terminal's modes are\n     %+v\nwant %+v", after, before)
	}
}

// Hostile text leaves the terminal's state alone: none of its bytes gets there (T14).
func TestT14TerminalHostileText(t *testing.T) {
	r := newRoom(t, true)
	r.enter()
	r.bob("send", "ada", "\x1b[2J\x1b]0;title\x07\u009b31m\u202e\r\x08\x1b[?2004h")
	r.want("a hostile message", r.ada.see("[@bob] "),
		"\r\x1b[J"+`R[bob] \x1b[2J\x1b]0;title\x07\u009b31m\u202e\x0d\x08\x1b[?2004h`+"\r\n[@bob] ")
}

// Pasting several lines asks once and sends one message.
func TestTerminalPaste(t *testing.T) {
	r := newRoom(t, true)
	r.enter()
	r.ada.press("\x1b[200~one\rtwo\rthree\r\x1b[201~\r")
	r.ada.see("Send these 3 lines as one message? [y]: ")
	r.ada.press("y\r")
	r.ada.see("S[bob] one\r\n    two\r\n    three\r\n")
	r.ada.press("\x1b[200~not\rthis\x1b[201~\r")
	r.ada.see("Send these 2 lines as one message? [y]: ")
	r.ada.press("no\r")
	r.ada.see("-- not sent\r\n")
	if got, want := r.bob("read"), "R[ada] one\n    two\n    three\n"; got != want {
		t.Errorf("bob got %q, want %q", got, want)
	}
}

// A password is asked for without echo, and is not in the line history.
func TestTerminalPassword(t *testing.T) {
	r := newRoom(t, false)
	r.ada = sit(t, filepath.Join(r.dir, "ada"), r.servers.addresses())
	r.ada.see(askDoor)
	r.ada.press("1|ada\r")
	r.ada.see(askSecret)
	r.ada.press("s3cret\r")
	r.want("a password", r.ada.see(askSecret), "\r\n"+askSecret)
	r.ada.press("s3cret\r")
	r.ada.see(commands + "\r\n")
	r.ada.press("\x04")
	r.ada.exits(exitOK)
	data, err := os.ReadFile(filepath.Join(r.dir, "ada", "history"))
	if err != nil || string(data) != "1|ada\n" {
		t.Errorf("line history %q, %v; want 1|ada", data, err)
	}
}

// A takeover ends the session at the old terminal at once, says by whom, and 2|name! takes it back (T8).
func TestT8TerminalTakenOver(t *testing.T) {
	r := newRoom(t, true)
	r.enter()
	cmd := parley(t, filepath.Join(r.dir, "phone"), r.servers.addresses(), "login", "ada", "--takeover", "--label", "phone")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("login: %v\n%s", err, out)
	}
	r.want("a takeover", r.ada.see(askDoor), "\r\x1b[J-- taken over by \"phone\"; 2|ada! takes it back\r\n[@bob] \r\n"+askDoor)
	r.ada.press("2|ada\r")
	r.ada.see(elsewhere + "\r\n-- in use on \"phone\" since ")
	r.ada.see("; 2|ada! takes over\r\n" + askDoor)
	r.ada.press("2|ada!\r")
	r.ada.see(loginDone + "\r\n" + commands + "\r\n")
}
