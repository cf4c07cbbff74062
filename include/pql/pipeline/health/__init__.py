"""How the sources and deliveries are: fresh, complete, as much as usual; and what ops should know of it."""
