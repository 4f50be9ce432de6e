"""What can be asked over HTTP, a file for each kind of thing. A route says which role it needs beside it."""
