package main

// The words of line mode that are kept from the original, byte for byte. Everything else it says
// stands on lines of its own that begin with "-- ".
const (
	askDoor    = "Enter 1|{Username} to sign up or 2|{Username} to log in: "
	askTo      = "Recipient: "
	askText    = "Message: "
	askQuery   = "Query: "
	askDelete  = "Are you sure you want to delete your account? [y]: "
	askSecret  = "Password: " // with passwords on; the original had none
	signupDone = "Signup successful!"
	loginDone  = "Login successful!"
	logoutDone = "Logout successful!"

	invalidInput   = "Invalid input."
	commands       = `Commands: \send, \logout, \list, \delete.`
	accountDeleted = "Account deleted."
	notDeleted     = "Account deletion cancelled."
	invalidCommand = "Please enter a valid command."
	needBoth       = "Please enter a recipient and a message."
	nameTaken      = "Username already exists."
	noSuchUser     = "No existing user found."
	elsewhere      = "You are already logged in elsewhere."
	noRecipient    = "Recipient not found."
	noUser         = "No user found."

	pendingMark = "  (pending, will be sent once)" // after an S line without its acknowledgement
)
